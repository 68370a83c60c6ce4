//! The committed JSON Schema is the one the code generates.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    #[test]
    fn the_committed_schema_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rvs.schema.json");
        let generated = rvs_conf::json_schema();
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &generated).expect("the schema can be written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "conf/rvs.schema.json is not what the code generates; \
             `UPDATE=1 cargo test -p rvs-conf --test schema` writes it anew"
        );
    }

    #[test]
    fn every_key_is_described_and_documented_and_no_other_is_allowed() {
        let schema: Value = serde_json::from_str(&rvs_conf::json_schema()).expect("JSON");
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        let required = ["version", "workers", "ports", "services"];
        let listed = schema["required"].as_array().expect("a list of required keys");
        assert_eq!(listed.len(), required.len());
        assert!(required.iter().all(|key| listed.contains(&Value::from(*key))));

        let definitions = schema["definitions"].as_object().expect("definitions");
        let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFIG.md");
        let reference = fs::read_to_string(reference).expect("docs/CONFIG.md");
        for mapping in definitions.values().chain([&schema]) {
            assert_eq!(mapping["additionalProperties"], false, "{mapping}");
            for (key, value) in mapping["properties"].as_object().expect("properties") {
                assert!(value["description"].is_string(), "{key} has no description");
                assert!(reference.contains(&format!("`{key}`")), "{key} is not in docs/CONFIG.md");
            }
        }
    }
}
