-- Collections of documents. Their own tables are made when they are declared.
CREATE TABLE document_collections (
    name        TEXT    NOT NULL,
    definition  TEXT    NOT NULL,
    ready       TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
