// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// program is asked for its help, once for each command.
type program struct {
	path  string
	helps map[string]*help
}

// help is what a command's help says: its options, true for one that takes a value, and
// the commands below it. It is nil for a command that there is not.
type help struct {
	options  map[string]bool
	commands []string
}

var (
	optionLine  = regexp.MustCompile(`^ +(?:(-\w)(?:, |$))?(--[\w-]+)?( \S+)?(?:  |$)`)
	commandLine = regexp.MustCompile(`^  ([a-z][\w-]*)(?:  |$)`)
)

// help reads the help of a command.
func (p *program) help(words ...string) *help {
	key := strings.Join(words, " ")
	if h, ok := p.helps[key]; ok {
		return h
	}
	out, err := exec.Command(p.path, append(slices.Clone(words), "--help")...).Output()
	if err != nil {
		p.helps[key] = nil
		return nil
	}
	p.helps[key] = parse(string(out))
	return p.helps[key]
}

func parse(text string) *help {
	h := &help{options: map[string]bool{"--help": false, "-h": false}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := optionLine.FindStringSubmatch(line); m != nil && m[1]+m[2] != "" {
			for _, name := range m[1:3] {
				if name != "" {
					h.options[name] = m[3] != ""
				}
			}
		} else if m := commandLine.FindStringSubmatch(line); m != nil {
			h.commands = append(h.commands, m[1])
		}
	}
	return h
}

// theirs are the commands whose words from the first argument on are not ours.
var theirs = []string{"run", "exec", "create", "container run", "container exec", "container create", "compose run", "compose exec", "api", "top", "container top"}

// skipped have a command line of their own, or are named in order to be refused.
var skipped = []string{"oci", "__commands"}

// check goes through the words behind the program's name and returns what is wrong.
func (p *program) check(words []string) string {
	var command []string
	h := p.help()
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case open(w):
			return ""
		case strings.HasPrefix(w, "-") && w != "-" && w != "--":
			takes, wrong := h.option(w)
			// An option that help does not show is one still.
			if wrong && strings.Contains(w, "=") && exec.Command(p.path, append(slices.Clone(command), w, "--help")...).Run() == nil {
				continue
			}
			if wrong {
				return "`coracle " + strings.Join(append(command, w), " ") + "`: there is no such option"
			}
			if takes {
				i++
			}
		case len(command) == 0 && slices.Contains(skipped, w):
			return ""
		case len(h.commands) > 0:
			command = append(command, w)
			if h = p.help(command...); h == nil {
				return "`coracle " + strings.Join(command, " ") + "`: there is no such command"
			}
		case slices.Contains(theirs, strings.Join(command, " ")):
			return ""
		}
	}
	return ""
}

// open reports whether from this word on a document leaves open what is typed.
func open(w string) bool {
	return strings.ContainsAny(w, "…[<{") || w == "..." || w == "COMMAND" || w == "VERB"
}

// option says of a word that is one, or several short ones, whether the next word is its
// value, and whether there is none like it.
func (h *help) option(w string) (takes, wrong bool) {
	name, _, value := strings.Cut(w, "=")
	if takes, ok := h.options[name]; ok {
		return takes && !value, false
	}
	if strings.HasPrefix(w, "--") {
		return false, true
	}
	for i, c := range w[1:] {
		takes, ok := h.options["-"+string(c)]
		if !ok {
			return false, true
		}
		if takes {
			return i+2 == len(w), false // the rest is the value
		}
	}
	return false, false
}

// split cuts a line into commands as a shell would, as far as documents go.
var split = regexp.MustCompile(`&&|\|\||[|;()]|\$\(`)

// typed are the commands of the program in a line of a shell, each as its words.
func typed(line string) [][]string {
	line, _, _ = strings.Cut(line, " #")
	var all [][]string
	for _, one := range split.Split(strings.TrimPrefix(strings.TrimSpace(line), "$ "), -1) {
		words := strings.Fields(one)
		for len(words) > 0 && strings.Contains(words[0], "=") && !strings.HasPrefix(words[0], "-") {
			words = words[1:]
		}
		if len(words) > 1 && words[0] == "coracle" {
			all = append(all, words[1:])
		}
	}
	return all
}

// list is a document's sentence of a group's commands.
var list = regexp.MustCompile(`(?s)\nThe verbs are (.*?)\n\n`)

// verbs checks that the sentence has no command that there is not, and that every command
// stands somewhere in the document.
func (d document) verbs(all []string) {
	m := list.FindStringSubmatch(d.text)
	if m == nil {
		d.wrong("it does not say what the verbs are")
		return
	}
	for _, v := range inline.FindAllStringSubmatch(m[1], -1) {
		if !slices.Contains(all, v[1]) {
			d.wrong("there is no verb %s", v[1])
		}
	}
	for _, v := range all {
		if !strings.Contains(m[1], "`"+v+"`") && !strings.Contains(d.text, " "+v+"`") && !strings.Contains(d.text, "`"+v+"`") {
			d.wrong("it does not say that there is the verb %s", v)
		}
	}
}

// commands checks the program's commands in blocks and in lines of code.
func (d document) commands(p *program) {
	var lines []string
	for _, block := range fence.FindAllString(d.text, -1) {
		lines = append(lines, strings.Split(strings.ReplaceAll(block, "\\\n", " "), "\n")...)
	}
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
		lines = append(lines, strings.ReplaceAll(m[1], "\n", " "))
	}
	top := p.help().commands
	for _, line := range lines {
		all := typed(line)
		// `run --init`: the program's name is understood.
		if words := strings.Fields(line); len(words) > 1 && slices.Contains(top, words[0]) && strings.HasPrefix(words[1], "--") {
			all = append(all, words)
		}
		for _, words := range all {
			if wrong := p.check(words); wrong != "" {
				d.wrong("%s", wrong)
			}
		}
	}
}
