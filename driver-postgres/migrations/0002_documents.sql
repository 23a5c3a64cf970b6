-- Collections of documents. Their own tables are made when they are declared.
CREATE TABLE document_collections (
    name        text COLLATE "C" NOT NULL,
    definition  text   NOT NULL,
    ready       text   NOT NULL,
    revision    bigint NOT NULL,
    PRIMARY KEY (name)
);
