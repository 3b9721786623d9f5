//! What operators and service managers expect of a process, beside serving.
//!
//! - [`daemon`]: going to the background, and telling the parent what became of it
//! - [`supervisor`]: telling systemd or upstart
//! - [`places`]: files that tell others of us, and the folder that we write to
//! - [`crash`]: what is logged when the process ends by a fault; [`restart`]: DEBUG RESTART
//! - [`advice`]: what of a configuration has no effect; `--check-config`
//! - [`check`]: whether the system is set up for us; [`syslog`]: the system's log
//! - [`title`]: what `ps` shows
//!
//! # Not here
//! - signals: [`crate::signals`]; the end: `node::shutdown`

pub mod advice;
pub mod check;
#[expect(unsafe_code, reason = "handlers, which run between any two instructions")]
pub mod crash;
#[expect(unsafe_code, reason = "fork before there are threads")]
pub mod daemon;
pub mod places;
pub mod restart;
pub mod supervisor;
pub mod syslog;
#[expect(unsafe_code, reason = "the memory in which the system looks for it")]
pub mod title;
