//! Files with mistakes, and what their authors read.

mod graph;
mod keys;
mod matrix;
mod values;
mod waiting;
mod yaml;
