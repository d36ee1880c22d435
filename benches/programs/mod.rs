//! The benchmark `programs`: its servers, its clients, and what is compared.
//!
//! | file | contents |
//! | --- | --- |
//! | `server.rs` | a server process: this program in a role, or a peer with its configuration |
//! | `driver.rs` | a client process of our own |
//! | `comparison.rs` | rounds, ratios, and the table |
//! | `http.rs`, `kv.rs`, `proxy.rs`, `chat.rs` | one program each, beside its peers |
//! | `hyper_server.rs`, `broadcast.rs` | the peers that are part of this program |
//! | `peers/` | the configurations of the others |

pub(crate) mod broadcast;
pub(crate) mod chat;
pub(crate) mod comparison;
pub(crate) mod driver;
pub(crate) mod http;
pub(crate) mod hyper_server;
pub(crate) mod kv;
pub(crate) mod proxy;
pub(crate) mod server;

/// The core of the server, and that of all clients and upstreams.
pub(crate) const SERVER_CORE: usize = 0;
pub(crate) const CLIENT_CORE: usize = 1;
