//! Git's id of a file's content, so that drift is seen without reading the file.

use sha1::{Digest, Sha1};

/// What `git hash-object` prints: SHA-1 of `blob <length>\0<content>`, in hex.
pub fn id(content: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", content.len()));
    hash.update(content);
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_those_of_git() {
        assert_eq!(super::id(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(super::id(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
