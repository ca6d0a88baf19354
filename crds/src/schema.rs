//! The CRDs as the apiserver takes them, from the Rust types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// Every CRD of the group, in the order of installation. What runs reads [`crate::YAML`] instead.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![prepare(crate::Fork::crd()), prepare(crate::Deployment::crd()), prepare(crate::AlertRule::crd())]
}

/// Optional fields are not nullable: the apiserver then prunes an explicit `null` instead of keeping it,
/// and `has(self.field)` in CEL means what it says.
fn prepare(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            strip_nullable(schema);
            let status = schema.properties.as_mut().and_then(|all| all.get_mut("status"));
            for (_, part) in status.into_iter().flat_map(|status| status.properties.iter_mut().flatten()) {
                written_whole(part);
            }
        }
    }
    crd
}

/// A part of a status, or an entry of a list in it, has one writer: the apiserver need not note who set each field in it.
/// That would be the largest thing in an object, which everyone who lists or watches has to read.
fn written_whole(part: &mut JSONSchemaProps) {
    match &mut part.items {
        Some(JSONSchemaPropsOrArray::Schema(entry)) if part.x_kubernetes_list_type.as_deref() == Some("map") => {
            written_whole(entry);
        }
        _ if part.type_.as_deref() == Some("object") => part.x_kubernetes_map_type = Some("atomic".into()),
        _ => {}
    }
}

fn strip_nullable(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    for property in schema.properties.iter_mut().flatten() {
        strip_nullable(property.1);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => strip_nullable(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(strip_nullable),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        strip_nullable(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_status_has_one_writer_and_its_lists_and_the_spec_may_have_several() {
        for crd in all() {
            let schema = serde_json::to_value(&crd.spec.versions[0].schema).expect("JSON");
            let [spec, status] =
                ["spec", "status"].map(|half| &schema["openAPIV3Schema"]["properties"][half]["properties"]);
            let conditions = &status["conditions"];
            assert_eq!(conditions["x-kubernetes-list-type"], "map", "others may add conditions");
            assert_eq!(conditions["items"]["x-kubernetes-map-type"], "atomic");
            assert!(!spec.to_string().contains("x-kubernetes-map-type"), "people share a spec");
            for (name, part) in status.as_object().expect("properties") {
                assert!(part["type"] != "object" || part["x-kubernetes-map-type"] == "atomic", "{name}");
            }
        }
    }
}
