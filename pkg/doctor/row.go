// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"slices"

	"coracle/pkg/hint"
)

// State is whether an ability is there.
type State string

// The states of a row.
const (
	Yes     State = "yes"
	Partly  State = "partly" // something is lost, or done in another way
	No      State = "no"
	Unknown State = "unknown" // it could not be tried
)

// Row is one ability of the host.
type Row struct {
	Name    hint.Row `json:"Name"` // one or two words, by which errors and docs name it
	State   State    `json:"State"`
	Found   string   `json:"Found,omitempty"`   // what was seen
	Lost    string   `json:"Lost,omitempty"`    // what does not work therefore
	Instead string   `json:"Instead,omitempty"` // what coracle does in its place
	Remedy  string   `json:"Remedy,omitempty"`  // for the administrator, or the user
	Needed  bool     `json:"Needed,omitempty"`  // without it no container runs
}

// Report is what was found, the abilities that containers need first.
type Report []Row

// Sound reports whether containers can run.
func (r Report) Sound() bool {
	return !slices.ContainsFunc(r, func(row Row) bool { return row.Needed && row.State == No })
}

// absent is a row of something that is not there, for a reason that may carry its
// remedy as a hint.
func (r Row) absent(err error) Row {
	r.State, r.Found = No, err.Error()
	r.Remedy = cmp.Or(hint.Text(hint.Of(err)), r.Remedy)
	return r
}

// present is the row of something that is there. What would be lost without it is
// no news.
func (r Row) present(found string) Row {
	return Row{Name: r.Name, State: Yes, Found: found, Needed: r.Needed}
}

// partly is a row of something that is there in part, or in another way.
func (r Row) partly(found string) Row {
	r.State, r.Found, r.Needed = Partly, found, false
	return r
}

// unknown is a row of something that could not be tried.
func (r Row) unknown(why string) Row {
	return Row{Name: r.Name, State: Unknown, Found: why, Needed: r.Needed}
}
