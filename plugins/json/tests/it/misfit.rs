//! JSON Schema, as far as the project's own schemas use it.

use serde_json::Value;

/// Why a value doesn't fit a schema, of the keywords that ours have. One that this does not know fails the test.
pub fn misfit(schema: &Value, value: &Value) -> Option<String> {
    let keywords = schema.as_object().expect("a schema is an object");
    keywords.iter().find_map(|(keyword, wants)| {
        let list = || wants.as_array().expect("a list");
        let count = |of: Option<usize>| of.map(|count| count as u64).zip(wants.as_u64());
        let fits = match keyword.as_str() {
            "$schema" | "title" | "description" => true,
            "const" => value == wants,
            "enum" => list().contains(value),
            "type" => {
                let is = |name: &Value| match name.as_str() {
                    Some("object") => value.is_object(),
                    Some("array") => value.is_array(),
                    Some("string") => value.is_string(),
                    Some("boolean") => value.is_boolean(),
                    Some("number") => value.is_number(),
                    Some("null") => value.is_null(),
                    Some("integer") => value.is_i64() || value.is_u64(),
                    name => panic!("a type {name:?}"),
                };
                wants.as_array().map_or_else(|| is(wants), |names| names.iter().any(is))
            }
            "oneOf" => list().iter().filter(|schema| misfit(schema, value).is_none()).count() == 1,
            "properties" => {
                let known = |(name, schema): (&String, &Value)| Some(format!("{name}: {}", misfit(schema, value.get(name)?)?));
                return wants.as_object().expect("an object").iter().find_map(known);
            }
            "required" => {
                value.as_object().is_none_or(|object| list().iter().all(|name| object.contains_key(name.as_str().expect("a name"))))
            }
            "additionalProperties" => {
                assert_eq!(wants, &Value::Bool(false));
                let known = schema["properties"].as_object().expect("properties");
                value.as_object().is_none_or(|object| object.keys().all(|name| known.contains_key(name)))
            }
            "dependentRequired" => wants.as_object().expect("an object").iter().all(|(name, needs)| {
                value.get(name).is_none()
                    || needs.as_array().expect("a list").iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }),
            "items" => return value.as_array()?.iter().find_map(|item| misfit(wants, item)),
            "minItems" => count(value.as_array().map(Vec::len)).is_none_or(|(has, least)| has >= least),
            "maxItems" => count(value.as_array().map(Vec::len)).is_none_or(|(has, most)| has <= most),
            "minLength" => count(value.as_str().map(|text| text.chars().count())).is_none_or(|(has, least)| has >= least),
            "maxLength" => count(value.as_str().map(|text| text.chars().count())).is_none_or(|(has, most)| has <= most),
            "minimum" => value.as_f64().zip(wants.as_f64()).is_none_or(|(has, least)| has >= least),
            "maximum" => value.as_f64().zip(wants.as_f64()).is_none_or(|(has, most)| has <= most),
            other => panic!("the keyword {other} is not known here"),
        };
        (!fits).then(|| format!("{keyword} of {value}"))
    })
}
