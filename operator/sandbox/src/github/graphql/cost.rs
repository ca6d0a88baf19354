//! What a query costs, before it is run: <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>.
//!
//! Every connection is one request for each node of the connections around it; a hundred requests are a point. A query
//! must bound its connections, by at most 100 each and 500,000 nodes in all.

use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value as ConstValue, parser};
use serde_json::{Value, json};

/// The most nodes that one query may ask for.
const MAX_NODES: u64 = 500_000;

/// What a query takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) points: u64,
    pub(super) nodes: u64,
}

/// The cost of an operation, or GitHub's errors for a query that is not bounded or not a query.
pub(super) fn of(query: &str, operation: Option<&str>, variables: &Value) -> Result<Cost, Vec<Value>> {
    let document = parser::parse_query(query).map_err(|error| vec![json!({ "message": error.to_string() })])?;
    let mut counter = Counter { document: &document, variables, requests: 0, nodes: 0, errors: Vec::new() };
    let chosen = document.operations.iter();
    let chosen = chosen.filter(|(name, _)| operation.is_none() || name.map(Name::as_str) == operation);
    for (_, operation) in chosen {
        counter.operation(&operation.node);
    }
    if counter.nodes > MAX_NODES {
        let message = format!(
            "This query requests up to {} possible nodes which exceeds the maximum limit of {MAX_NODES}.",
            counter.nodes
        );
        counter.errors.push(json!({ "type": "MAX_NODE_LIMIT_EXCEEDED", "message": message }));
    }
    if !counter.errors.is_empty() {
        return Err(counter.errors);
    }
    // Rounded to the nearest, and never less than one.
    Ok(Cost { points: ((counter.requests + 50) / 100).max(1), nodes: counter.nodes })
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Value,
    requests: u64,
    nodes: u64,
    errors: Vec<Value>,
}

impl<'a> Counter<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) {
        let defaults = operation.variable_definitions.iter();
        let defaults = defaults.filter_map(|definition| {
            let value = definition.node.default_value.as_ref()?;
            Some((definition.node.name.node.as_str(), &value.node))
        });
        let defaults: Vec<(&str, &ConstValue)> = defaults.collect();
        self.selection(&operation.selection_set.node, 1, &defaults);
    }

    fn selection(&mut self, set: &'a SelectionSet, times: u64, defaults: &[(&str, &ConstValue)]) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, times, defaults),
                Selection::InlineFragment(fragment) => {
                    self.selection(&fragment.node.selection_set.node, times, defaults);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment: Option<&'a Positioned<FragmentDefinition>> = self.document.fragments.get(name);
                    if let Some(fragment) = fragment {
                        self.selection(&fragment.node.selection_set.node, times, defaults);
                    }
                }
            }
        }
    }

    fn field(&mut self, field: &'a Field, times: u64, defaults: &[(&str, &ConstValue)]) {
        let name = field.name.node.as_str();
        let argument = |name: &str| {
            let value = field.get_argument(name)?.node.clone();
            let value = value.into_const_with(|name| Ok::<_, ()>(self.variable(&name, defaults))).ok()?;
            value.into_json().ok()
        };
        let set = &field.selection_set.node;
        if name == "nodes"
            && let Some(ids) = argument("ids")
        {
            let count = ids.as_array().map_or(0, Vec::len) as u64;
            if count > 100 {
                let message = format!("You may not provide more than 100 node ids; you provided {count}.");
                self.errors.push(json!({ "type": "ARGUMENT_LIMIT", "path": ["nodes"], "message": message }));
            }
            self.nodes += count;
            self.selection(set, count.max(1), defaults);
            return;
        }
        let pages = ["nodes", "edges"].iter().any(|inner| selects(set, inner));
        let size = argument("first").or(argument("last")).and_then(|size| size.as_i64());
        match size {
            Some(size) if !(0..=100).contains(&size) => {
                let message = format!(
                    "Requesting {size} records on the `{name}` connection exceeds the `first` limit of 100 records."
                );
                self.errors.push(json!({ "type": "EXCESSIVE_PAGINATION", "path": [name], "message": message }));
            }
            Some(size) => {
                let size = u64::try_from(size).unwrap_or(0);
                self.requests += times;
                self.nodes += times * size;
                self.selection(set, times * size.max(1), defaults);
            }
            None if pages => {
                let message =
                    format!("You must provide a `first` or `last` value to properly paginate the `{name}` connection.");
                self.errors
                    .push(json!({ "type": "MISSING_PAGINATION_BOUNDARIES", "path": [name], "message": message }));
            }
            None => self.selection(set, times, defaults),
        }
    }

    fn variable(&self, name: &Name, defaults: &[(&str, &ConstValue)]) -> ConstValue {
        let given = self.variables[name.as_str()].clone();
        if given.is_null() {
            let default = defaults.iter().find(|(variable, _)| *variable == name.as_str());
            return default.map(|(_, value)| (*value).clone()).unwrap_or_default();
        }
        ConstValue::from_json(given).unwrap_or_default()
    }
}

fn selects(set: &SelectionSet, name: &str) -> bool {
    set.items.iter().any(|item| matches!(&item.node, Selection::Field(field) if field.node.name.node == name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Cost, of};

    fn points(query: &str) -> u64 {
        of(query, None, &json!({})).expect("a bounded query").points
    }

    #[test]
    fn connections_cost_a_request_for_each_parent() {
        assert_eq!(points("{ viewer { login } }"), 1);
        // The example of GitHub's page: 1 + 100 + 5,000 requests are 51 points.
        let example = "{ viewer { repositories(first: 100) { edges { node { id issues(first: 50) { edges { node { id
            labels(first: 60) { edges { node { id } } } } } } } } } } }";
        assert_eq!(points(example), 51);
    }

    #[test]
    fn a_fleet_query_is_counted_for_each_id() {
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Repository { ...R } } }
            fragment R on Repository { repositoryTopics(first: 20) { nodes { topic { name } } } }";
        let ids: Vec<_> = (0..100).map(|id| format!("R_{id}")).collect();
        let cost = of(query, None, &json!({ "ids": ids })).expect("a bounded query");
        assert_eq!(cost, Cost { points: 1, nodes: 2100 });
        let ids: Vec<_> = (0..101).map(|id| format!("R_{id}")).collect();
        assert_eq!(of(query, None, &json!({ "ids": ids })).expect_err("too many")[0]["type"], "ARGUMENT_LIMIT");
    }

    #[test]
    fn unbounded_queries_are_refused() {
        let kind = |query: &str| of(query, None, &json!({})).expect_err("not bounded")[0]["type"].clone();
        assert_eq!(kind("{ viewer { repositories { nodes { id } } } }"), "MISSING_PAGINATION_BOUNDARIES");
        assert_eq!(kind("{ viewer { repositories(first: 101) { nodes { id } } } }"), "EXCESSIVE_PAGINATION");
    }
}
