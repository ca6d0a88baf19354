//! The CRDs as the apiserver takes them, from the Rust types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// Every CRD of the group, in the order of installation.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![prepare(crate::Fork::crd()), prepare(crate::Deployment::crd()), prepare(crate::AlertRule::crd())]
}

/// Optional fields are not nullable: the apiserver then prunes an explicit `null` instead of keeping it,
/// and `has(self.field)` in CEL means what it says.
fn prepare(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            strip_nullable(schema);
            for part in schema.properties.iter_mut().flatten().filter(|(name, _)| *name == "status").flat_map(parts) {
                written_whole(part);
            }
        }
    }
    crd
}

/// The properties of the status.
fn parts<'a>((_, status): (&String, &'a mut JSONSchemaProps)) -> impl Iterator<Item = &'a mut JSONSchemaProps> {
    status.properties.iter_mut().flatten().map(|(_, part)| part)
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
