//! The plan: its wire form, validation, digests and expansion, and three plans of other dialects.

mod dialects;
mod digest;
mod expand;
mod support;
mod validate;
mod wire;
