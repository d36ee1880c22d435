//! What backends share.

mod source_table;

pub use source_table::{Registration, Registrations};
