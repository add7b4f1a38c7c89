"""The tables of the store's file."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x4B434D47
"""`KCMG`, in the header of every store: a file without it is not ours."""
FORMAT: Final = 1
"""In the header as `user_version`; raised whenever the tables or what lies in them change."""

TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE told(stream TEXT, number INTEGER, hash INTEGER NOT NULL, PRIMARY KEY(stream, number)) WITHOUT ROWID;

-- Small columns first: what only looks at them does not read a payload's overflow pages.
CREATE TABLE record(node INTEGER PRIMARY KEY, hash INTEGER NOT NULL, gone INTEGER NOT NULL, id_text TEXT,
  invalid BLOB, payload BLOB NOT NULL, previous BLOB);
CREATE INDEX record_invalid ON record(node) WHERE invalid IS NOT NULL;
CREATE INDEX record_previous ON record(node) WHERE previous IS NOT NULL;
-- Of the last payload and the previous one: (from, 0, to) and (to, 1, from); to the catalogue only the latter.
CREATE TABLE link(a INTEGER, back INTEGER, b INTEGER, PRIMARY KEY(a, back, b)) WITHOUT ROWID;
CREATE TABLE forgotten(node INTEGER PRIMARY KEY);

-- A versioned read that a STATE calls unfinished, and the clock of the run in which it began.
CREATE TABLE read(stream INTEGER PRIMARY KEY, version TEXT NOT NULL, began TEXT);
CREATE TABLE seen(node INTEGER PRIMARY KEY);

-- `listed` is NULL where ChartMogul listed what was sent, and empty where it listed nothing.
CREATE TABLE holding(kind TEXT, id TEXT, uuid TEXT, owner INTEGER, subject INTEGER, marks TEXT, sent BLOB, listed BLOB,
  PRIMARY KEY(kind, id));
CREATE INDEX holding_owner ON holding(owner, subject) WHERE owner IS NOT NULL;
CREATE INDEX holding_subject ON holding(subject, owner) WHERE subject IS NOT NULL;
CREATE INDEX holding_listed ON holding(kind, id) WHERE listed IS NOT NULL;
CREATE TABLE part(kind TEXT, id TEXT, uuid TEXT, PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE TABLE intent(kind TEXT, id TEXT, action TEXT, parent TEXT, PRIMARY KEY(kind, id)) WITHOUT ROWID;

-- `at` is empty for now, else an instant in UTC.
CREATE TABLE mark(node INTEGER, at TEXT, why TEXT NOT NULL, PRIMARY KEY(node, at)) WITHOUT ROWID;
CREATE TABLE memory(node INTEGER, kind TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY(node, kind, key)) WITHOUT ROWID;
CREATE TABLE note(node INTEGER, kind TEXT, id TEXT, rule TEXT NOT NULL, detail BLOB NOT NULL, since TEXT NOT NULL,
  PRIMARY KEY(node, kind, id)) WITHOUT ROWID;
CREATE TABLE figure(node INTEGER PRIMARY KEY, steps BLOB NOT NULL);
CREATE TABLE total(at TEXT, currency TEXT, name TEXT, value INTEGER NOT NULL, PRIMARY KEY(at, currency, name))
  WITHOUT ROWID;
"""
