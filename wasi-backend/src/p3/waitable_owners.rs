//! The table of the handles that can be in flight, and of the sources that they belong to.

/// A handle and its source. All bits zero means vacant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WaitableOwner {
    /// The handle, which is never 0.
    waitable: u32,
    /// The number of the owner.
    name: u32,
}

impl WaitableOwner {
    /// A vacant place.
    pub(crate) const VACANT: Self = Self { waitable: 0, name: 0 };
}

/// A hash table of handles with open addressing.
///
/// Handles are small numbers, but the rest of the program has some of them, so they cannot be
/// indices of an array. With half of the places vacant, a handle is nearly always at its home.
#[derive(Debug)]
pub(crate) struct WaitableOwners<'a> {
    places: &'a mut [WaitableOwner],
}

impl<'a> WaitableOwners<'a> {
    /// Creates an empty table, of which half the places may be used.
    pub(crate) fn new(places: &'a mut [WaitableOwner]) -> Self {
        places.fill(WaitableOwner::VACANT);
        Self { places }
    }

    /// Returns the home of a handle: its place if there were no others.
    const fn home(&self, waitable: u32) -> usize {
        waitable as usize % self.places.len()
    }

    /// Returns the place of a handle, or the vacant place for it.
    fn find(&self, waitable: u32) -> usize {
        let mut place = self.home(waitable);
        while self.places[place].waitable != waitable && self.places[place].waitable != 0 {
            place = self.next(place);
        }
        place
    }

    /// Returns the place behind this one.
    const fn next(&self, place: usize) -> usize {
        if place + 1 == self.places.len() { 0 } else { place + 1 }
    }

    /// Records an owner. There is room: a source has at most two handles, and four places.
    pub(crate) fn insert(&mut self, waitable: u32, name: u32) {
        let place = self.find(waitable);
        self.places[place] = WaitableOwner { waitable, name };
    }

    /// Returns the owner of a handle.
    #[inline]
    pub(crate) fn get(&self, waitable: u32) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let owner = self.places[self.find(waitable)];
        (owner.waitable != 0).then_some(owner.name)
    }

    /// Removes a handle, and moves up the handles behind it that are not at home.
    pub(crate) fn remove(&mut self, waitable: u32) {
        let mut gap = self.find(waitable);
        let mut place = gap;
        loop {
            self.places[gap] = WaitableOwner::VACANT;
            loop {
                place = self.next(place);
                let WaitableOwner { waitable, .. } = self.places[place];
                if waitable == 0 {
                    return;
                }
                // It moves unless its home is between the gap and its place.
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
        let mut places = [WaitableOwner::VACANT; 8];
        let mut owners = WaitableOwners::new(&mut places);
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
        let mut places = [WaitableOwner::VACANT; 16];
        let mut owners = WaitableOwners::new(&mut places);
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
