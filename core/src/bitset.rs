//! The one way in which the small sets of this crate are made.

/// Defines a set of named bits in an integer, with the operations that the crate's sets share.
macro_rules! bitset {
    (
        $(#[$outer:meta])*
        pub struct $name:ident: $repr:ty {
            $($(#[$inner:meta])* const $flag:ident = $value:expr;)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[allow(unreachable_pub, reason = "most sets are public, one is the server's own")]
        #[repr(transparent)]
        pub struct $name($repr);

        #[allow(dead_code, unreachable_pub, reason = "not every set needs every operation")]
        impl $name {
            /// The empty set.
            pub const NONE: Self = Self(0);
            $($(#[$inner])* pub const $flag: Self = Self($value);)*

            /// Returns the bits of the set.
            #[inline]
            #[must_use]
            pub const fn bits(self) -> $repr {
                self.0
            }

            /// Returns the set with these bits; bits without a name are dropped.
            #[inline]
            #[must_use]
            pub const fn from_bits(bits: $repr) -> Self {
                Self(bits & (0 $(| $value)*))
            }

            /// Returns true if the set is empty.
            #[inline]
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Returns true if every bit of `other` is in this set.
            #[inline]
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Returns true if any bit of `other` is in this set.
            #[inline]
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Returns the bits of both sets.
            #[inline]
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Returns the bits that are in both sets.
            #[inline]
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// Returns the bits of this set that are not in `other`.
            #[inline]
            #[must_use]
            pub const fn difference(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;

            #[inline]
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl core::ops::BitOrAssign for $name {
            #[inline]
            fn bitor_assign(&mut self, other: Self) {
                *self = self.union(other);
            }
        }

        impl core::ops::BitAnd for $name {
            type Output = Self;

            #[inline]
            fn bitand(self, other: Self) -> Self {
                self.intersection(other)
            }
        }

        impl core::ops::Sub for $name {
            type Output = Self;

            #[inline]
            fn sub(self, other: Self) -> Self {
                self.difference(other)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut first = true;
                $(
                    if self.contains(Self::$flag) {
                        if !first {
                            formatter.write_str(" | ")?;
                        }
                        formatter.write_str(stringify!($flag))?;
                        first = false;
                    }
                )*
                if first { formatter.write_str("NONE") } else { Ok(()) }
            }
        }
    };
}

pub(crate) use bitset;
