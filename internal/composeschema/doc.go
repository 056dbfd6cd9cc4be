// SPDX-License-Identifier: Apache-2.0

// Package jsonschema stands in, by a replace directive, for
// github.com/santhosh-tekuri/jsonschema/v6 as compose-go uses it: it checks a
// Compose file against the schema of the Compose specification.
//
// The library compiles the meta-schemas of five drafts and the regular expressions
// of thirty formats before main begins, 7 to 20 ms in every command, whichever it
// is; and compiles a schema against its meta-schema, 10 ms in every compose
// command. Of its keywords the Compose specification has a third. What is here
// are those, with the library's tree of causes and its words, so that what
// compose-go says of a mistake is what docker compose says. A keyword that is not
// here fails [Schema.Complete], which a test calls: an update of compose-go that
// needs one is noticed. A file asks for a tenth of the schema, and no more is read.
//
// A service's unknown key is told as an unknown key of anything else is; the library
// says "false schema" since the specification has it by unevaluatedProperties.
//
// Where the library visits the keys of a mapping in any order, here they are in
// that of their names: of two mistakes always the same one is told.
package jsonschema
