//! The parts that backends share.
//!
//! | part | keyed by | for |
//! | --- | --- | --- |
//! | [`SourceTable`] | the index of a token | registrations: interest, mode, what was reported |
//! | [`HandleTable`] | a handle | the sources of a platform that owns them |
//! | [`check_vacant`], [`check_tenant`] | the tenant of an index | any other table |
//!
//! They are two tables, as a source and its registration begin and end at different times, and as
//! a selector over foreign descriptors has no handles. A platform joins them by keeping the token
//! in the entry of the handle, or the handle in the entry of the token.

mod handle_table;
mod source_table;

pub use handle_table::{Handle, HandleEntry, HandleTable};
pub use source_table::{Registration, SourceEntry, SourceTable, check_tenant, check_vacant};
