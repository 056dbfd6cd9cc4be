// SPDX-License-Identifier: Apache-2.0

package hint

// Row names one ability of the host, as `coracle doctor` lists them: an error that the
// host causes says which, so that its reader can have more about it, and tell when it
// has changed.
type Row string

// The rows that errors name. Package doctor has one for each.
const (
	UserNamespaces Row = "user namespaces"
	SubordinateIDs Row = "subordinate ids"
	Overlay        Row = "overlay"
)

// See is where to read on, to be put after a text.
func (r Row) See() string {
	if r == "" {
		return ""
	}
	return " (see: coracle doctor " + string(r) + ")"
}

// About is [With], of an error that the host causes: the text ends with the row that it
// is about.
func About(r Row, err error, text string) error {
	if text == "" {
		return err
	}
	return With(err, text+r.See())
}
