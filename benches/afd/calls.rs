//! A count of the calls of `NtDeviceIoControlFile` that this program makes. Those of Winsock's own
//! library are not among them.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::Memory::{PAGE_READWRITE, VirtualProtect};

static CALLS: AtomicU64 = AtomicU64::new(0);
/// The address of the function itself.
static REAL: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of calls until now.
pub(crate) fn count() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

/// The function's type; its parameters are those of the system's documentation.
type Call = unsafe extern "system" fn(
    *mut c_void,
    *mut c_void,
    *const c_void,
    *const c_void,
    *mut c_void,
    u32,
    *const c_void,
    u32,
    *mut c_void,
    u32,
) -> i32;

/// Counts a call, and passes it on.
unsafe extern "system" fn counted(
    file: *mut c_void,
    event: *mut c_void,
    routine: *const c_void,
    context: *const c_void,
    status: *mut c_void,
    code: u32,
    input: *const c_void,
    input_length: u32,
    output: *mut c_void,
    output_length: u32,
) -> i32 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the address was that of the function when it was stored, and libraries of the system
    // stay loaded.
    let real: Call = unsafe { std::mem::transmute(REAL.load(Ordering::Relaxed)) };
    // SAFETY: the arguments are the caller's.
    unsafe {
        real(
            file,
            event,
            routine,
            context,
            status,
            code,
            input,
            input_length,
            output,
            output_length,
        )
    }
}

/// Replaces the function by [`counted`] in the import table of this program.
pub(crate) fn count_from_now() {
    // SAFETY: the names end with a zero, and the modules stay loaded.
    let (program, real) = unsafe {
        let library = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        let real = GetProcAddress(library, c"NtDeviceIoControlFile".as_ptr().cast());
        (GetModuleHandleA(std::ptr::null()).cast::<u8>(), real.expect("every Windows has it"))
    };
    let real = real as usize;
    REAL.store(real, Ordering::Relaxed);
    let mut replaced = 0;
    // SAFETY: the program is loaded at this address, as the headers describe it.
    for entry in unsafe { import_entries(program) } {
        // SAFETY: an entry of the import table, which no other thread uses yet.
        unsafe {
            if entry.read() != real {
                continue;
            }
            let mut before = 0;
            VirtualProtect(entry.cast(), size_of::<usize>(), PAGE_READWRITE, &raw mut before);
            entry.write(counted as Call as usize);
            VirtualProtect(entry.cast(), size_of::<usize>(), before, &raw mut before);
        }
        replaced += 1;
    }
    assert!(replaced > 0, "the program does not import the function");
}

/// Returns the places of all imported addresses.
///
/// # Safety
///
/// A program for 64 bits is loaded at `base`.
unsafe fn import_entries(base: *mut u8) -> Vec<*mut usize> {
    /// The places where the fields of a program's headers are, by the format's documentation.
    const HEADERS: usize = 0x3c;
    const IMPORTS: usize = 4 + 20 + 112 + 8;
    const DESCRIPTOR_SIZE: usize = 20;
    const FIRST_THUNK: usize = 16;
    // SAFETY: as the caller promises.
    let field = |offset: usize| unsafe { base.add(offset).cast::<u32>().read_unaligned() as usize };
    let mut entries = Vec::new();
    let mut descriptor = field(field(HEADERS) + IMPORTS);
    loop {
        let table = field(descriptor + FIRST_THUNK);
        if table == 0 {
            return entries;
        }
        // SAFETY: as the caller promises; a table is aligned, and ends with a zero.
        #[expect(clippy::cast_ptr_alignment, reason = "tables of addresses are aligned to them")]
        let mut entry = unsafe { base.add(table).cast::<usize>() };
        // SAFETY: as above.
        while unsafe { entry.read() } != 0 {
            entries.push(entry);
            // SAFETY: as above.
            entry = unsafe { entry.add(1) };
        }
        descriptor += DESCRIPTOR_SIZE;
    }
}
