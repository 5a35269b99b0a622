//! Tables of input and outcome for every fieldtype.
