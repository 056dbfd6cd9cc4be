// SPDX-License-Identifier: Apache-2.0

package flags

import "github.com/urfave/cli/v2"

// quickFlag is a flag that knows its names. Those of the library put them
// together by a regular expression whenever they are asked for, and a command
// with a hundred flags asks ten thousand times: 4 ms in all.
type quickFlag struct {
	cli.Flag
	names []string
}

func (f quickFlag) Names() []string { return f.names }

// quickList is the same for a list: the library has more to say to that.
type quickList struct {
	*cli.StringSliceFlag
	names []string
}

func (f quickList) Names() []string { return f.names }

// quicken makes the flags of the command that is about to run quick.
func quicken(flags []cli.Flag) []cli.Flag {
	quick := make([]cli.Flag, len(flags))
	for i, f := range flags {
		if list, ok := f.(*cli.StringSliceFlag); ok {
			quick[i] = quickList{list, Names(f)}
			continue
		}
		quick[i] = quickFlag{f, Names(f)}
	}
	return quick
}

// absentFlag is one of Docker's that is known here in order to be refused by
// name.
type absentFlag struct {
	cli.Flag
	why string
}

// Absent makes flags that are refused, and says so in their help.
func Absent(why string, flags ...cli.Flag) []cli.Flag {
	list := make([]cli.Flag, len(flags))
	for i, f := range flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			f.Usage = NotSupported + ": " + why
		case *cli.BoolFlag:
			f.Usage = NotSupported + ": " + why
		case *cli.StringSliceFlag:
			f.Usage = NotSupported + ": " + why
		}
		list[i] = absentFlag{f, why}
	}
	return list
}

// absence is why a flag is refused, or nothing.
func absence(f cli.Flag) string {
	if q, ok := f.(quickFlag); ok {
		f = q.Flag
	}
	a, _ := f.(absentFlag)
	return a.why
}

// Names are the names of a flag: the long one first.
func Names(f cli.Flag) []string {
	with := func(name string, aliases []string) []string { return append([]string{name}, aliases...) }
	switch f := f.(type) {
	case quickFlag:
		return f.names
	case absentFlag:
		return Names(f.Flag)
	case quickList:
		return f.names
	case *cli.StringFlag:
		return with(f.Name, f.Aliases)
	case *cli.BoolFlag:
		return with(f.Name, f.Aliases)
	case *cli.StringSliceFlag:
		return with(f.Name, f.Aliases)
	case *cli.IntFlag:
		return with(f.Name, f.Aliases)
	case *cli.Int64Flag:
		return with(f.Name, f.Aliases)
	}
	return f.Names()
}

// plain is the flag behind a quick one.
func plain(f cli.Flag) cli.Flag {
	switch q := f.(type) {
	case quickFlag:
		return plain(q.Flag)
	case absentFlag:
		return plain(q.Flag)
	case quickList:
		return q.StringSliceFlag
	}
	return f
}

// List is a flag that may be given several times.
func List(name string, aliases []string, usage string) *cli.StringSliceFlag {
	return &cli.StringSliceFlag{Name: name, Aliases: aliases, Usage: usage}
}

// Text is a flag that takes a text.
func Text(name string, aliases []string, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Aliases: aliases, Usage: usage}
}

// Platform is --platform where Docker takes its default from the environment.
func Platform(usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: "platform", Usage: usage, EnvVars: []string{"DOCKER_DEFAULT_PLATFORM"}}
}

// Bool is a flag that needs no value.
func Bool(name string, aliases []string, usage string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Aliases: aliases, Usage: usage}
}

// Short is the list of other names of a flag that has one letter as such.
func Short(letter string) []string { return []string{letter} }
