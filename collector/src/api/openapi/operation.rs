//! One operation of the API, and how it is written down.

use serde_json::{Map, Value, json};

/// A parameter: name, where it stands, what it is, its schema, an example.
pub(super) type Parameter = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// What can be asked at one path by one method.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) path: String,
    pub(super) method: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    body: Option<Value>,
    answer: Value,
    answers: Vec<(&'static str, &'static str)>,
    /// Where a browser is sent on, in place of an answer.
    elsewhere: Option<&'static str>,
}

impl Operation {
    /// A question at `path`.
    pub(super) fn new(
        method: &'static str,
        path: &str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            path: path.to_owned(),
            method,
            id,
            summary,
            parameters: Vec::new(),
            body: None,
            answer: Value::Null,
            answers: Vec::new(),
            elsewhere: None,
        }
    }

    /// With these parameters.
    pub(super) fn with(mut self, parameters: &[Parameter]) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// With a body of this media type.
    pub(super) fn body(mut self, media_type: &str, schema: &Value, example: &str) -> Self {
        let mut content = json!({ "schema": schema });
        if let (Some(content), false) = (content.as_object_mut(), example.is_empty()) {
            content.insert("example".to_owned(), value(example));
        }
        self.body = Some(json!({ "required": true, "content": { media_type: content } }));
        self
    }

    /// Answered well with this.
    pub(super) fn gives(mut self, media_type: &str, schema: impl Into<Value>) -> Self {
        self.answer = json!({ media_type: { "schema": schema.into() } });
        self
    }

    /// Or with this, where it is asked for.
    pub(super) fn also(mut self, media_type: &str, schema: impl Into<Value>) -> Self {
        if let Some(answer) = self.answer.as_object_mut() {
            answer.insert(media_type.to_owned(), json!({ "schema": schema.into() }));
        }
        self
    }

    /// May also be answered so, without a body.
    pub(super) fn or(mut self, status: &'static str, text: &'static str) -> Self {
        self.answers.push((status, text));
        self
    }

    /// Sends a browser elsewhere in place of an answer.
    pub(super) const fn sends(mut self, text: &'static str) -> Self {
        self.elsewhere = Some(text);
        self
    }

    /// As OpenAPI writes it, with a real answer as `example`.
    pub(super) fn described_with(&self, example: Option<&Value>) -> Value {
        let mut described = self.described();
        let json = "/responses/200/content/application~1json";
        if let (Some(content), Some(example)) = (described.pointer_mut(json), example)
            && let Some(content) = content.as_object_mut()
        {
            content.insert("example".to_owned(), example.clone());
        }
        described
    }

    /// Its name.
    pub(super) const fn id(&self) -> &'static str {
        self.id
    }

    /// As OpenAPI writes it.
    pub(super) fn described(&self) -> Value {
        let problem = json!({
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
        });
        let well = if let Some(text) = self.elsewhere {
            let location = json!({ "schema": { "type": "string" }, "description": "Where to." });
            (
                "303",
                json!({ "description": text, "headers": { "Location": location } }),
            )
        } else if self.answer.is_null() {
            ("204", json!({ "description": "Done." }))
        } else {
            let answer = json!({ "description": "As asked.", "content": self.answer });
            ("200", answer)
        };
        let why_not = json!({ "description": "Why not.", "content": problem });
        let others = self.answers.iter();
        let answers: Map<String, Value> = [("default", why_not), well]
            .into_iter()
            .chain(others.map(|(status, text)| (*status, json!({ "description": text }))))
            .map(|(status, answer)| (status.to_owned(), answer))
            .collect();
        let parameters: Vec<Value> = self.parameters.iter().map(parameter).collect();
        let mut described = Map::new();
        let mut say = |key: &str, value: Value| described.insert(key.to_owned(), value);
        say("operationId", json!(self.id));
        say("summary", json!(self.summary));
        say("parameters", json!(parameters));
        say("responses", Value::Object(answers));
        if let Some(body) = &self.body {
            say("requestBody", body.clone());
        }
        Value::Object(described)
    }
}

fn parameter((name, place, text, schema, example): &Parameter) -> Value {
    let schema = value(schema);
    let required = *place == "path" || schema.get("must") == Some(&json!(true));
    let mut schema = schema;
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("must");
    }
    json!({
        "name": name, "in": place, "required": required, "description": text,
        "schema": schema, "example": value(example),
    })
}

/// JSON of the table; a text where it is none.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_sends_a_browser_elsewhere_says_so() {
        let described = Operation::new("get", "/x", "x", "Goes.")
            .sends("To y.")
            .described();
        assert_eq!(described["responses"]["303"]["description"], "To y.");
        assert!(described["responses"].get("204").is_none());
    }

    #[test]
    fn an_operation_without_an_answer_says_so() {
        let line = (
            "line",
            "query",
            "Of it.",
            r#"{"type":"string","must":true}"#,
            "dsw",
        );
        let described = Operation::new("delete", "/x", "x", "Ends it.")
            .with(&[line])
            .described();
        assert!(described["responses"]["204"].is_object());
        assert_eq!(described["parameters"][0]["required"], true);
        assert_eq!(
            described["parameters"][0]["schema"],
            json!({ "type": "string" })
        );
        assert_eq!(described["parameters"][0]["example"], "dsw");
    }
}
