//! Normal forms of contact data, written independently of any relay.
