//! What exists in the sandbox, by name, and in a form that two runs can be compared in.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::World;

impl World {
    pub async fn find_repository(&self, full_name: &str) -> Option<Value> {
        let inventory = self.inventory().await;
        find(&inventory["github"]["repos"], "full_name", full_name)
    }

    pub async fn repository(&self, full_name: &str) -> Value {
        self.find_repository(full_name).await.unwrap_or_else(|| panic!("there is no repository {full_name}"))
    }

    pub async fn find_project(&self, name: &str) -> Option<Value> {
        let inventory = self.inventory().await;
        find(&inventory["vercel"]["projects"], "name", name)
    }

    pub async fn project(&self, name: &str) -> Value {
        self.find_project(name).await.unwrap_or_else(|| panic!("there is no project {name}"))
    }

    pub async fn find_variable(&self, project: &str, key: &str) -> Option<Value> {
        find(&self.project(project).await["env"], "key", key)
    }

    pub async fn variable(&self, project: &str, key: &str) -> Value {
        self.find_variable(project, key).await.unwrap_or_else(|| panic!("{project} has no variable {key}"))
    }

    pub async fn domain_names(&self, project: &str) -> Vec<String> {
        names(&self.project(project).await["domains"], "name")
    }

    /// A person pushes one file to the default branch; tells the new head.
    pub async fn push_file(&self, repository: &str, path: &str, text: &str) -> String {
        let sha = self
            .find_repository(repository)
            .await
            .and_then(|repository| repository["files"].get(path).cloned())
            .and_then(|text| text.as_str().map(blob_sha));
        let body = json!({ "message": format!("Change {path}"), "content": BASE64_STANDARD.encode(text), "sha": sha });
        let body = body.as_object().expect("an object").iter().filter(|(_, value)| !value.is_null());
        let body: Value =
            body.map(|(key, value)| (key.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into();
        let answer =
            self.person("github", Method::PUT, &format!("/repos/{repository}/contents/{path}"), Some(body)).await;
        answer["commit"]["sha"].as_str().expect("a commit").to_owned()
    }

    /// Everything that Forkable made, without ids and times: equal for two runs that came to the same end.
    pub async fn summary(&self) -> Value {
        let inventory = self.inventory().await;
        let repositories = entries(&inventory["github"]["repos"])
            .filter(|repository| text(repository, "full_name").starts_with("acme-inc/"))
            .map(|repository| {
                json!({
                    "full_name": repository["full_name"],
                    "archived": repository["archived"],
                    "visibility": repository["visibility"],
                    "files": without_ids(&repository["files"]),
                    "rulesets": names(&repository["rulesets"], "name"),
                })
            });
        let projects = entries(&inventory["vercel"]["projects"]).filter(|project| text(project, "name") != "other-site").map(
            |project| {
                let mut env: Vec<_> =
                    entries(&project["env"]).map(|row| format!("{} {}", text(row, "key"), row["target"])).collect();
                env.sort();
                let mut domains = names(&project["domains"], "name");
                domains.sort();
                let deployments = entries(&project["deployments"]).count();
                json!({ "name": project["name"], "paused": project["paused"], "env": env, "domains": domains, "deployments": deployments })
            },
        );
        json!({
            "repositories": repositories.collect::<Vec<_>>(),
            "projects": projects.collect::<Vec<_>>(),
            "deleted": entries(&inventory["github"]["deleted"]).count(),
        })
    }
}

/// The marker file names the Fork's uid, which every run makes anew.
fn without_ids(files: &Value) -> Value {
    let mut files = files.clone();
    if let Some(marker) = files.get_mut(".forkable.yaml") {
        *marker = Value::Bool(true);
    }
    files
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn find(list: &Value, field: &str, wanted: &str) -> Option<Value> {
    entries(list).find(|entry| entry[field] == wanted).cloned()
}

fn names(list: &Value, field: &str) -> Vec<String> {
    entries(list).map(|entry| text(entry, field).to_owned()).collect()
}

fn blob_sha(text: &str) -> String {
    hex::encode(Sha1::digest([format!("blob {}\0", text.len()).as_bytes(), text.as_bytes()].concat()))
}
