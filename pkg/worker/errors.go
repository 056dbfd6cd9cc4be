// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"coracle/pkg/hint"
)

// failure is an error on its way between two processes of one program.
type failure struct {
	Text  string          `json:"text"`
	Hint  string          `json:"hint,omitempty"`
	Typed []typed         `json:"typed,omitempty"` // what errors.As finds
	Texts []string        `json:"texts,omitempty"` // what errors.Is finds: of those that errors.New has made
	Known []int           `json:"known,omitempty"` // likewise, among the known
	Errno []syscall.Errno `json:"errno,omitempty"` // likewise
}

// typed is an error of one of this program's types: the type, and its exported fields.
type typed struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// known are errors of the standard library that are told apart by what they are. They
// are values.
func known() []error {
	return []error{context.Canceled, context.DeadlineExceeded, fs.ErrNotExist, fs.ErrExist, fs.ErrPermission}
}

// encode makes an error ready to be sent.
func encode(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error(), Hint: hint.Of(err)}
	walk(err, func(e error) {
		if r, ok := e.(*remoteError); ok { // of a worker's worker
			f.Typed, f.Texts = append(f.Typed, r.typed...), append(f.Texts, r.texts...)
		} else if n, ok := e.(syscall.Errno); ok {
			f.Errno = append(f.Errno, n)
		} else if i := slices.IndexFunc(known(), func(k error) bool { return reflect.TypeOf(e) == reflect.TypeOf(k) && e == k }); i >= 0 {
			f.Known = append(f.Known, i)
		} else if isText(e) {
			f.Texts = append(f.Texts, e.Error())
		} else if name := nameOf(reflect.TypeOf(e)); name != "" {
			if v, ok := fields(e); ok {
				f.Typed = append(f.Typed, typed{name, v})
			}
		}
	})
	return f
}

// decode is the error again; nil of nil.
func (f *failure) decode() error {
	if f == nil {
		return nil
	}
	e := &remoteError{text: f.Text, hint: f.Hint, typed: f.Typed, texts: f.Texts}
	for _, i := range f.Known {
		if i >= 0 && i < len(known()) {
			e.values = append(e.values, known()[i])
		}
	}
	for _, n := range f.Errno {
		e.values = append(e.values, n)
	}
	return e
}

// Crossed is an error as it comes back from a worker.
func Crossed(err error) error {
	var f *failure
	if data, merr := json.Marshal(encode(err)); merr != nil || json.Unmarshal(data, &f) != nil {
		return err
	}
	return f.decode()
}

// isText reports whether an error is one that errors.New has made, which is told from
// others by what it is. No two of them that are compared with have one text.
func isText(e error) bool { return reflect.TypeOf(e) == reflect.TypeOf(errors.New("")) }

// nameOf is the name of a type of this program's, or empty.
func nameOf(t reflect.Type) string {
	star := ""
	if t.Kind() == reflect.Pointer {
		t, star = t.Elem(), "*"
	}
	if t.Name() == "" || !strings.HasPrefix(t.PkgPath(), program()) {
		return ""
	}
	return star + t.PkgPath() + "." + t.Name()
}

// program is how the import paths of this program's packages begin.
func program() string {
	first, _, _ := strings.Cut(reflect.TypeFor[failure]().PkgPath(), "/")
	return first + "/"
}

// fields are those of an error that can be made again from them: it says the same then.
func fields(e error) (data json.RawMessage, ok bool) {
	defer func() { // Error trips over a field that is not there
		if recover() != nil {
			ok = false
		}
	}()
	data, err := json.Marshal(e)
	again := reflect.New(reflect.TypeOf(e))
	if err != nil || json.Unmarshal(data, again.Interface()) != nil {
		return nil, false
	}
	twin, ok := again.Elem().Interface().(error)
	return data, ok && (twin.Error() == e.Error() || hasBytes(e.Error()))
}

// hasBytes reports whether a text has bytes that are no text, as names of files may: JSON
// puts U+FFFD in their place.
func hasBytes(s string) bool { return !utf8.ValidString(s) || strings.Contains(s, `\x`) }

// walk calls f for every error of the tree, in the order of errors.As.
func walk(err error, f func(error)) {
	for err != nil {
		f(err)
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			for _, e := range u.Unwrap() {
				walk(e, f)
			}
			return
		default:
			return
		}
	}
}

// remoteError is an error that another process had.
type remoteError struct {
	text, hint string
	typed      []typed
	texts      []string
	values     []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Hint() string    { return e.hint }
func (e *remoteError) Unwrap() []error { return e.values }

// As makes the error of target's type that the other process had in it.
func (e *remoteError) As(target any) bool {
	into := reflect.ValueOf(target).Elem()
	name := nameOf(into.Type())
	for _, t := range e.typed {
		if name == "" || t.Type != name {
			continue
		}
		v := reflect.New(into.Type()) // of a pointer Unmarshal makes what it points to
		if json.Unmarshal(t.Value, v.Interface()) == nil {
			into.Set(v.Elem())
			return true
		}
	}
	return false
}

// Is reports whether the other process had an error like target in it, which
// errors.New has made.
func (e *remoteError) Is(target error) bool {
	return isText(target) && slices.Contains(e.texts, target.Error())
}

var errNoAnswer = errors.New("the worker ended without an answer")
