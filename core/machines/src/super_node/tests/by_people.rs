//! What people's programs do: in bad order, too much, or not at all.

use super::*;
