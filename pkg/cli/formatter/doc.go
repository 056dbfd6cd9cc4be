// SPDX-License-Identifier: Apache-2.0

// Package formatter shows answers as --format asks for it: lists as tables, as
// lines of JSON or through a template, objects (inspect) as a JSON array or
// through a template. The rules, the functions, the fields, the headings and
// the errors are those of Docker's command line.
//
// A row of a list is a struct of texts, one for each field that a template may
// name; its type has the name that Docker's has, for errors show it. The fields
// of a row stand in the order of the alphabet, which is that of Docker's JSON.
package formatter
