//! Functions of which there is one copy where size counts for more than speed.

/// Keeps the functions in it out of line on targets of less than 64 bits: microcontrollers and
/// WebAssembly. Use it where the copies cost at least 1 % of a guest's or the firmware's bytes.
macro_rules! compact {
    ($(
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident $signature:tt $(-> $result:ty)? $body:block
    )*)
        => {
        $(
            #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
            $(#[$meta])*
            $visibility fn $name $signature $(-> $result)? $body
        )*
    };
}

pub(crate) use compact;
