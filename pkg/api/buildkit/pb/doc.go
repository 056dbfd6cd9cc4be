// SPDX-License-Identifier: Apache-2.0

// Package pb writes and reads the wire format of protocol buffers, field by field.
// BuildKit's clients speak in some dozen messages of it; a message is written and
// taken apart where it is needed, by the numbers of its fields.
//
//	┌─────────────────────┬───────────────────────────────┐
//	│ number<<3 | type    │ varint, or length and bytes … │  a field, and the next
//	└─────────────────────┴───────────────────────────────┘
//
// Source: https://protobuf.dev/programming-guides/encoding. A field whose value is the
// type's zero is not written (proto3), one that is not known is passed over, and of
// one that came twice the last counts.
package pb
