//! What the command `spanpin` does: it reads segment files of other processes by copy, and never writes to one.
//!
//! The library is there for the command's own tests; it promises no interface.

pub mod arguments;
pub mod dump;
pub mod inspect;
pub mod page;
pub mod serve;
