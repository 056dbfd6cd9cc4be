// SPDX-License-Identifier: Apache-2.0

package load

import (
	"io"

	"github.com/sirupsen/logrus"
)

// hear has the library's warnings told to warn, until what it returns is called:
// the library writes them to a logger that the program has one of.
func hear(warn func(string)) (restore func()) {
	l := logrus.StandardLogger()
	out, level, format := l.Out, l.GetLevel(), l.Formatter
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.WarnLevel)
	l.SetFormatter(teller(warn))
	return func() {
		l.SetOutput(out)
		l.SetLevel(level)
		l.SetFormatter(format)
	}
}

// teller is a format that tells.
type teller func(string)

func (t teller) Format(e *logrus.Entry) ([]byte, error) {
	if t != nil {
		t(e.Message)
	}
	return nil, nil
}
