//! The extractor of archives and the safe directory against archives that mean harm, programs that
//! read archives otherwise, and somebody who swaps directories for links meanwhile.

mod build;
mod differential;
mod hostile;
mod races;
mod tree;
mod usual;
