//! Whose event it is: which source a handle of the component stands for.

/// One place of the table. All bits zero means vacant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The handle, which is never 0.
    waitable: u32,
    /// Whatever the owner of the handle is to be known by.
    name: u32,
}

impl Owner {
    /// A vacant place.
    pub(crate) const VACANT: Self = Self { waitable: 0, name: 0 };
}

/// A table of handles, which are small numbers, but not ours alone: the rest of the program has
/// handles among them. So they are not places in an array, but are looked for from the place on
/// that they would have; with half of the places vacant that is nearly always the right one.
#[derive(Debug)]
pub(crate) struct Owners<'a> {
    places: &'a mut [Owner],
}

impl<'a> Owners<'a> {
    /// An empty table, of which half the places may be used.
    pub(crate) fn new(places: &'a mut [Owner]) -> Self {
        places.fill(Owner::VACANT);
        Self { places }
    }

    /// Where a handle would stand if nobody else stood there.
    const fn home(&self, waitable: u32) -> usize {
        waitable as usize % self.places.len()
    }

    /// Where a handle stands, or else the vacant place where it belongs.
    fn find(&self, waitable: u32) -> usize {
        let mut place = self.home(waitable);
        while self.places[place].waitable != waitable && self.places[place].waitable != 0 {
            place = self.next(place);
        }
        place
    }

    const fn next(&self, place: usize) -> usize {
        if place + 1 == self.places.len() { 0 } else { place + 1 }
    }

    /// Records an owner. There is room, since a source has two handles here at most, and four
    /// places.
    pub(crate) fn insert(&mut self, waitable: u32, name: u32) {
        let place = self.find(waitable);
        self.places[place] = Owner { waitable, name };
    }

    /// The owner of a handle.
    #[inline]
    pub(crate) fn get(&self, waitable: u32) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let owner = self.places[self.find(waitable)];
        (owner.waitable != 0).then_some(owner.name)
    }

    /// Forgets a handle. Those behind it that its place kept from their own move up.
    pub(crate) fn remove(&mut self, waitable: u32) {
        let mut gap = self.find(waitable);
        let mut place = gap;
        loop {
            self.places[gap] = Owner::VACANT;
            loop {
                place = self.next(place);
                let Owner { waitable, .. } = self.places[place];
                if waitable == 0 {
                    return;
                }
                // It moves unless its home lies behind the gap, up to where it stands.
                let home = self.home(waitable);
                let stays = if gap <= place {
                    gap < home && home <= place
                } else {
                    gap < home || home <= place
                };
                if !stays {
                    break;
                }
            }
            self.places[gap] = self.places[place];
            gap = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut places = [Owner::VACANT; 8];
        let mut owners = Owners::new(&mut places);
        // 7, 15 and 23 have the same home, from which the latter two are driven on past the end.
        for waitable in [7, 15, 23, 1] {
            owners.insert(waitable, waitable * 10);
        }
        owners.remove(7);
        assert_eq!(
            [7, 15, 23, 1].map(|waitable| owners.get(waitable)),
            [None, Some(150), Some(230), Some(10)]
        );
        owners.remove(23);
        owners.insert(15, 151);
        assert_eq!(
            [7, 15, 23, 1].map(|waitable| owners.get(waitable)),
            [None, Some(151), None, Some(10)]
        );
        owners.remove(99);
        assert_eq!(owners.get(15), Some(151), "an unknown handle takes nothing out");
    }

    #[test]
    fn it_agrees_with_a_map_in_the_long_run() {
        let mut places = [Owner::VACANT; 16];
        let mut owners = Owners::new(&mut places);
        let mut model = std::collections::BTreeMap::new();
        let mut random = 1_u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let waitable = (random >> 16) % 40 + 1;
            if model.remove(&waitable).is_some() {
                owners.remove(waitable);
            } else if model.len() < 8 {
                model.insert(waitable, random);
                owners.insert(waitable, random);
            }
            for waitable in 1..=40 {
                assert_eq!(owners.get(waitable), model.get(&waitable).copied());
            }
        }
    }
}
