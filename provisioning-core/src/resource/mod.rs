//! Resources: what is declared, what the state keeps of it, and the difference between the two.
//!
//! A service on a host and a lookup are declared, linked and ordered like any resource; their [`Role`] tells them
//! apart. Reading the declarations from files is in [`config`](crate::config).

mod declared;
mod diff;
mod outputs;
mod row;
mod text;

pub use declared::{Checkpoint, Declared, Desired, Lifecycle, Output, ProviderSettings, RetryPolicy, Role};
pub use diff::{Cause, FieldChange, diff};
pub(crate) use outputs::{Kept, Outputs};
pub use row::StateRow;
pub use text::{TextChange, TextFate, unified};
