//! Lists, read while they come. The apiserver tells a whole list from its cache, but may read every page beyond the
//! first from etcd; and whole as one text, a list of many objects would weigh more than the objects.

use std::pin::pin;

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Whole {
    metadata: ListMeta,
}

/// Tells every item of a list, and answers its resourceVersion. Nothing is known of what is missing in it unless that
/// came to its end.
pub(super) async fn read<K: DeserializeOwned>(
    text: impl AsyncBufRead,
    mut told: impl FnMut(K),
) -> kube::Result<String> {
    let mut text = pin!(text);
    let mut parts = Parts::default();
    loop {
        let some = text.fill_buf().await.map_err(kube::Error::ReadEvents)?;
        let taken = some.len();
        if taken == 0 {
            break;
        }
        let read = |item: &[u8]| serde_json::from_slice(item).map(&mut told);
        parts.take(some, read).map_err(kube::Error::SerdeError)?;
        text.consume_unpin(taken);
    }
    let whole = serde_json::from_slice(&parts.rest).and_then(|Whole { metadata }| {
        let missing = || serde::de::Error::missing_field("metadata.resourceVersion");
        metadata.resource_version.filter(|version| !version.is_empty()).ok_or_else(missing)
    });
    whole.map_err(kube::Error::SerdeError)
}

/// Takes the JSON of a list apart into items and the rest, which is a list of none.
#[derive(Default)]
struct Parts {
    /// Objects and arrays that are open.
    depth: usize,
    /// What is open within the list itself is an array.
    is_array: bool,
    in_text: bool,
    is_escaped: bool,
    item: Vec<u8>,
    rest: Vec<u8>,
}

impl Parts {
    fn take(&mut self, text: &[u8], mut told: impl FnMut(&[u8]) -> serde_json::Result<()>) -> serde_json::Result<()> {
        for &byte in text {
            let between = self.depth == 2 && self.is_array;
            let in_items = between || self.depth > 2 && self.is_array;
            if !in_items || between && byte == b']' {
                self.rest.push(byte);
            } else if !between || byte == b'{' {
                self.item.push(byte);
            }
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.in_text,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    self.is_array = if self.depth == 2 { byte == b'[' } else { self.is_array };
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 2 && self.is_array {
                        told(&self.item)?;
                        self.item.clear();
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use serde_json::{Value, json};

    use super::*;

    fn told(text: &str, at_once: usize) -> (Vec<Value>, Result<String, String>) {
        let mut items = Vec::new();
        let chunks = text.as_bytes().chunks(at_once).map(|some| Ok::<_, std::io::Error>(some.to_vec()));
        let text = futures::TryStreamExt::into_async_read(futures::stream::iter(chunks));
        let whole = block_on(read(text, |item| items.push(item))).map_err(|error| error.to_string());
        (items, whole)
    }

    #[test]
    fn a_list_is_told_item_by_item_however_it_is_cut() {
        let items = json!([
            { "metadata": { "name": "a", "annotations": { "x": "{\"items\":[{\"b\\\\\": \"]}\"}]}" } }, "spec": [[1], {}] },
            {},
            { "metadata": { "name": "ü\\\"" } },
        ]);
        let whole = json!({ "kind": "ForkList", "items": items, "metadata": { "resourceVersion": "7", "x": [{}] } });
        for text in [whole.to_string(), serde_json::to_string_pretty(&whole).expect("text")] {
            for at_once in [1, 2, 3, 7, 1_000_000] {
                assert_eq!(told(&text, at_once), (items.as_array().expect("items").clone(), Ok("7".into())), "{text}");
            }
        }
    }

    #[test]
    fn a_list_that_is_cut_off_is_none() {
        let text = json!({ "items": [{ "a": 1 }, { "b": 2 }], "metadata": { "resourceVersion": "7" } }).to_string();
        for length in 0..text.len() {
            assert!(told(&text[..length], 5).1.is_err(), "{}", &text[..length]);
        }
        for text in [r#"{"items":[]}"#, r#"{"items":[],"metadata":{}}"#, r#"{"items":[{a}],"metadata":{}}"#, "[]", "no"]
        {
            assert!(told(text, 5).1.is_err(), "{text}");
        }
        assert_eq!(told(r#"{"items":null,"metadata":{"resourceVersion":"1"}}"#, 5), (Vec::new(), Ok("1".into())));
    }
}
