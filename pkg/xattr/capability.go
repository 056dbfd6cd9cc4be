// SPDX-License-Identifier: Apache-2.0

package xattr

import "encoding/binary"

// The forms of security.capability (capabilities(7), linux/capability.h): a magic
// number, two pairs of sets, and in the third form the id of who is root of the
// user namespace in which they count.
const (
	revisions = 0xff000000
	revision2 = 0x02000000
	revision3 = 0x03000000
	size2     = 20
	size3     = 24
)

// ForRoot are capabilities, as a user namespace shows its own, for the namespace
// whose root has the id root in this one. What has another form stays.
func ForRoot(value string, root uint32) string {
	if len(value) != size2 || root == 0 {
		return value
	}
	b := binary.LittleEndian.AppendUint32([]byte(value), root)
	magic := binary.LittleEndian.Uint32(b)
	if magic&revisions != revision2 {
		return value
	}
	binary.LittleEndian.PutUint32(b, magic&^revisions|revision3)
	return string(b)
}

// OfRoot is the inverse of [ForRoot].
func OfRoot(value string, root uint32) string {
	b := []byte(value)
	if len(b) != size3 || binary.LittleEndian.Uint32(b[size2:]) != root {
		return value
	}
	magic := binary.LittleEndian.Uint32(b)
	if magic&revisions != revision3 {
		return value
	}
	binary.LittleEndian.PutUint32(b, magic&^revisions|revision2)
	return string(b[:size2])
}
