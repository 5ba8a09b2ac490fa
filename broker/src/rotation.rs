//! Takes rotations from one phase to the next.
