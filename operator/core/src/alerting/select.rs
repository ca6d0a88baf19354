//! Which Forks a rule is about.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Whether labels are as a selector wants them, as Kubernetes has it.
pub fn selects(selector: Option<&LabelSelector>, labels: Option<&BTreeMap<String, String>>) -> bool {
    let Some(selector) = selector else { return true };
    let value = |key: &str| labels.and_then(|labels| labels.get(key));
    let same = selector.match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted));
    let fits = selector.match_expressions.iter().flatten().all(|expression| {
        let value = value(&expression.key);
        let is_among = || value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
        match expression.operator.as_str() {
            "In" => is_among(),
            "NotIn" => !is_among(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    same && fits
}

/// What is wrong with a selector.
pub(super) fn problem(selector: &LabelSelector) -> Option<String> {
    selector.match_expressions.iter().flatten().enumerate().find_map(|(index, expression)| {
        let needs_values = match expression.operator.as_str() {
            "In" | "NotIn" => true,
            "Exists" | "DoesNotExist" => false,
            other => {
                return Some(format!(
                    "selector.matchExpressions[{index}].operator: {other:?} is not In, NotIn, Exists or DoesNotExist"
                ));
            }
        };
        let has_values = expression.values.as_ref().is_some_and(|values| !values.is_empty());
        (needs_values != has_values).then(|| {
            let must = if needs_values { "must be set" } else { "must be left out" };
            format!("selector.matchExpressions[{index}].values: {must} with operator {}", expression.operator)
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_decide() {
        let labels: BTreeMap<_, _> = [("tier".to_owned(), "gold".to_owned())].into();
        let cases = [
            (json!({}), true),
            (json!({"matchLabels": {"tier": "gold"}}), true),
            (json!({"matchLabels": {"tier": "silver"}}), false),
            (json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold", "silver"]}]}), true),
            (json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["gold"]}]}), false),
            (json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}), true),
            (json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}), false),
            (json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}), true),
        ];
        for (selector, expected) in cases {
            let read: LabelSelector = serde_json::from_value(selector.clone()).expect("a selector");
            assert_eq!(selects(Some(&read), Some(&labels)), expected, "{selector}");
            assert_eq!(problem(&read), None);
        }
        let wrong: LabelSelector =
            serde_json::from_value(json!({"matchExpressions": [{"key": "a", "operator": "In"}]})).expect("a selector");
        assert!(problem(&wrong).expect("a problem").contains("values: must be set with operator In"));
    }
}
