//! Rows as the bytes that REST sends, in one pass.

use serde_json::{Map, Value as Json};

use crate::document::list::{Cell, List};
use crate::meta::Value;

impl List {
    /// Writes the rows as objects: `[{"name":"…"},…]`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        self.write_objects(out);
        out.push(b']');
    }

    /// Writes the rows as objects, without the brackets around them.
    pub fn write_objects(&self, out: &mut Vec<u8>) {
        self.write_objects_between(out, b",");
    }

    /// Writes the rows as objects, each on a line of its own.
    pub fn write_lines(&self, out: &mut Vec<u8>) {
        self.write_objects_between(out, b"\n");
        if !self.rows.is_empty() {
            out.push(b'\n');
        }
    }

    fn write_objects_between(&self, out: &mut Vec<u8>, between: &[u8]) {
        let keys: Vec<Vec<u8>> = self
            .keys
            .iter()
            .enumerate()
            .map(|(index, key)| {
                let mut text = if index > 0 { b",".to_vec() } else { Vec::new() };
                write(&mut text, key);
                text.push(b':');
                text
            })
            .collect();
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(between);
            }
            out.push(b'{');
            for (key, cell) in keys.iter().zip(row) {
                out.extend_from_slice(key);
                cell.write_json(out);
            }
            out.push(b'}');
        }
    }

    /// Writes the rows as arrays: `[["…"],…]`.
    pub fn write_json_rows(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        self.write_arrays(out);
        out.push(b']');
    }

    /// Writes the rows as arrays, without the brackets around them.
    pub fn write_arrays(&self, out: &mut Vec<u8>) {
        for (index, row) in self.rows.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b",[" } else { b"[" });
            for (index, cell) in row.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                cell.write_json(out);
            }
            out.push(b']');
        }
    }

    /// The rows as JSON objects, for programs.
    pub fn to_json(&self) -> Vec<Map<String, Json>> {
        let object = |row: &Vec<Cell>| self.keys.iter().cloned().zip(row.iter().map(Cell::to_json)).collect();
        self.rows.iter().map(object).collect()
    }
}

impl Cell {
    /// As JSON.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Value(value) => value.to_json(),
            Self::Json(json) => json.clone(),
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Value(Value::Null) => out.extend_from_slice(b"null"),
            Self::Value(Value::Int(n)) => write(out, n),
            Self::Value(Value::Float(x)) => write(out, x),
            Self::Value(Value::Text(text)) => write(out, text),
            Self::Json(json) => write(out, json),
        }
    }
}

fn write(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("plain values go into memory");
}
