//! Makes identifiers of the length and alphabet Vercel uses.

use rand::Rng as _;

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LOWERCASE: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// `prefix` followed by `length` random letters and digits.
pub(super) fn random(prefix: &str, length: usize) -> String {
    draw(prefix, length, ALPHANUMERIC)
}

/// `length` random lowercase letters and digits: usable in a host name.
pub(super) fn lowercase(length: usize) -> String {
    draw("", length, LOWERCASE)
}

fn draw(prefix: &str, length: usize, alphabet: &[u8]) -> String {
    let mut rng = rand::rng();
    let mut id = String::with_capacity(prefix.len() + length);
    id.push_str(prefix);
    id.extend((0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])));
    id
}
