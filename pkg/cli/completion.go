// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/network"
	"coracle/pkg/oci"
)

// The scripts ask the program itself what may follow: NAME __complete WORDS…
// answers with a line for each word that may stand in place of the last.
const bashCompletion = `# bash completion for %[1]s
_%[1]s_complete() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _%[1]s_complete %[1]s
`

const zshCompletion = `#compdef %[1]s
# zsh completion for %[1]s
_%[1]s() {
	local -a found
	found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "${found[1]}" ]]; then
		compadd -- "${found[@]}"
	else
		_files
	fi
}
if [ "$funcstack[1]" = "_%[1]s" ]; then
	_%[1]s "$@"
else
	compdef _%[1]s %[1]s
fi
`

const fishCompletion = `# fish completion for %[1]s
function __%[1]s_complete
	set -l words (commandline -opc) (commandline -ct)
	%[1]s __complete $words[2..-1] 2>/dev/null
end
complete -c %[1]s -a '(__%[1]s_complete)'
`

func completionCommand(e *command.Env) *cli.Command {
	group := &cli.Command{Name: "completion", Usage: "Generate the autocompletion script for the specified shell"}
	for _, s := range []struct{ shell, script string }{{"bash", bashCompletion}, {"fish", fishCompletion}, {"zsh", zshCompletion}} {
		group.Subcommands = append(group.Subcommands, &cli.Command{
			Name: s.shell, Usage: "Generate the autocompletion script for " + s.shell,
			Flags: []cli.Flag{flags.Bool("no-descriptions", nil, "Accepted for scripts: there are none")},
			Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
				_, err := fmt.Fprintf(e.Stdout, s.script, e.Program)
				return err
			}),
		})
	}
	return group
}

// completeCommand answers the scripts. Whatever goes wrong, there is nothing to
// say to somebody who is typing.
func completeCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "__complete", Hidden: true, SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				words = []string{""}
			}
			last := words[len(words)-1]
			for _, w := range candidates(e, words[:len(words)-1], last) {
				if strings.HasPrefix(w, last) {
					fmt.Fprintln(e.Stdout, w)
				}
			}
			return nil
		},
	}
}

// candidates are the words that may stand behind before: commands, flags, or
// the names of what the command is about.
func candidates(e *command.Env, before []string, last string) []string {
	app := app(e)
	cmds, known := app.Commands, app.Flags
	var cmd *cli.Command
	var path []string
	for i := 0; i < len(before); i++ {
		w := before[i]
		if strings.HasPrefix(w, "-") {
			if f := findFlag(known, strings.TrimLeft(w, "-")); f != nil && !flags.IsBool(f) {
				i++ // and its value
			}
			continue
		}
		if next := flags.FindCommand(cmds, w); next != nil {
			cmd, cmds, known = next, next.Subcommands, next.Flags
			path = append(path, next.Name)
		}
	}
	var list []string
	if strings.HasPrefix(last, "-") {
		for _, f := range known {
			list = append(list, "--"+flags.Names(f)[0])
		}
		return append(list, "--help")
	}
	if len(before) > 0 {
		if f := findFlag(known, strings.TrimLeft(before[len(before)-1], "-")); f != nil && strings.HasPrefix(before[len(before)-1], "-") && !flags.IsBool(f) {
			return flagValues(e, flags.Names(f)[0])
		}
	}
	if cmd != nil && len(cmds) == 0 {
		return objects(e, strings.Join(path, " "), cmd.ArgsUsage)
	}
	for _, c := range cmds {
		if !c.Hidden {
			list = append(list, c.Name)
		}
	}
	slices.Sort(list)
	return list
}

func findFlag(known []cli.Flag, name string) cli.Flag {
	for _, f := range known {
		if slices.Contains(flags.Names(f), name) {
			return f
		}
	}
	return nil
}

// flagValues are the values that a flag may have, where they can be known.
func flagValues(e *command.Env, name string) []string {
	switch name {
	case "network", "net":
		return networkNamesHere(e)
	case "volumes-from":
		return containerNames(e)
	case "restart":
		return []string{"always", "no", "on-failure", "unless-stopped"}
	case "pull":
		return []string{"always", "missing", "never"}
	case "log-level":
		return []string{"debug", "error", "fatal", "info", "warn"}
	case "progress":
		return []string{"auto", "plain", "quiet", "tty"}
	case "to":
		return []string{"kubernetes"}
	case "context", "builder":
		return []string{command.DefaultContext}
	}
	return nil
}

// objects are the names of what a command's arguments mean.
func objects(e *command.Env, path, args string) []string {
	first, _, _ := strings.Cut(strings.Trim(args, "["), " ")
	switch {
	case path == "network connect" || path == "network disconnect":
		return append(networkNamesHere(e), containerNames(e)...)
	case strings.HasPrefix(first, "CONTAINER"):
		return containerNames(e)
	case strings.HasPrefix(first, "IMAGE"), strings.HasPrefix(first, "SOURCE_IMAGE"), strings.HasPrefix(first, "REPOSITORY"), strings.HasPrefix(first, "NAME["):
		return imageNames(e)
	case strings.HasPrefix(first, "NETWORK") && path != "network create":
		return networkNamesHere(e)
	case strings.HasPrefix(first, "VOLUME") && path != "volume create":
		return volumeNames(e)
	case strings.HasPrefix(first, "CONTEXT"):
		return []string{command.DefaultContext}
	case first == "NAME|ID":
		return slices.Concat(containerNames(e), imageNames(e), networkNamesHere(e), volumeNames(e))
	}
	return nil
}

func containerNames(e *command.Env) []string {
	var list []string
	if cs, err := e.Containers(); err == nil {
		all, _ := cs.List()
		for _, c := range all {
			list = append(list, c.Name)
		}
	}
	return list
}

func imageNames(e *command.Env) []string {
	var list []string
	if ix, err := e.Index(); err == nil {
		for _, img := range ix.Images {
			for _, n := range img.Names {
				list = append(list, oci.Familiar(n))
			}
		}
	}
	return list
}

func networkNamesHere(e *command.Env) []string {
	list := network.Predefined()
	if nets, err := command.Networks(e); err == nil {
		all, _ := nets.List()
		for _, w := range all {
			list = append(list, w.Name)
		}
	}
	return list
}

func volumeNames(e *command.Env) []string {
	var list []string
	if vs, err := command.Volumes(e); err == nil {
		all, _ := vs.List()
		for _, v := range all {
			list = append(list, v.Name)
		}
	}
	return list
}
