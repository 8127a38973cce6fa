//! Files with mistakes, and what their authors read.

mod conditions;
mod environments;
mod graph;
mod inputs;
mod interpolation;
mod keys;
mod matrix;
mod values;
mod waiting;
mod yaml;
