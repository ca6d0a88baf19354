//! The local host: a folder of manifests is what should be, a SQLite file in it is what is known.

mod data;
mod database;
mod declaration;
mod events;
mod files;
mod folder;
mod host;
mod preview;
mod requests;
mod rows;
mod store;
mod sync;
mod vault;

#[cfg(test)]
mod tests;

pub use database::{OpenError, Reader, STATE_FOLDER};
pub use declaration::declaration;
pub use events::Event;
pub use folder::{Id, Problem};
pub use host::LocalHost;
pub use preview::Preview;
pub use requests::{RequestError, WISHES_FILE, annotate, request_delete};
pub use store::LocalStore;
pub use sync::{SETTLE, Synced, id_of};
pub use vault::KeyError;
