// SPDX-License-Identifier: Apache-2.0

package hint

import "errors"

// Hinter is an error that knows what can be done about it. An empty hint is
// none.
type Hinter interface{ Hint() string }

// With returns err with a hint; without an error, or without a hint, it returns
// err as it is. The text of the error stays what it is.
func With(err error, text string) error {
	if err == nil || text == "" {
		return err
	}
	return &hinted{err, text}
}

// Of returns the hint of err: that of the first error of its tree, in the order
// of errors.As, which has one; "" without.
func Of(err error) string {
	for err != nil {
		var h Hinter
		if !errors.As(err, &h) {
			return ""
		}
		if text := h.Hint(); text != "" {
			return text
		}
		inside, ok := h.(interface{ Unwrap() error })
		if !ok {
			return ""
		}
		err = inside.Unwrap()
	}
	return ""
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }
func (h *hinted) Hint() string  { return h.hint }
