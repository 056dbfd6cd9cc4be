// SPDX-License-Identifier: Apache-2.0

package hint

import "strings"

// Row names one ability of the host, as `coracle doctor` lists them: an error that the
// host causes says which, so that its reader can have more about it, and tell when it
// has changed.
type Row string

// The rows, in the doctor's order. Package doctor has each of them.
const (
	Kernel              Row = "kernel"
	UserNamespaces      Row = "user namespaces"
	ProcessNamespaces   Row = "process namespaces"
	Proc                Row = "proc"
	Sys                 Row = "sys"
	Terminals           Row = "terminals"
	MessageQueues       Row = "message queues"
	HostName            Row = "host name"
	CgroupNamespace     Row = "cgroup namespace"
	Overlay             Row = "overlay"
	UserAttributes      Row = "user attributes"
	Owners              Row = "owners"
	Reflinks            Row = "reflinks"
	NetworkNamespace    Row = "network namespace"
	Veth                Row = "veth"
	StoreSockets        Row = "sockets in the store"
	TCPRepair           Row = "TCP repair"
	Seccomp             Row = "seccomp"
	SeccompNotification Row = "seccomp notification"
	AbstractSockets     Row = "abstract sockets"
	Store               Row = "store"
	SharedStores        Row = "shared stores"
	Locks               Row = "locks"
	Execution           Row = "execution"
	RunDirectory        Row = "run directory"
	SubordinateIDs      Row = "subordinate ids"
	Cgroup              Row = "cgroup"
	CgroupControllers   Row = "cgroup controllers"
	SeccompAround       Row = "seccomp around"
	Limits              Row = "limits"
	Inotify             Row = "inotify"
	LowPorts            Row = "low ports"
	Ping                Row = "ping"
	IPv6                Row = "IPv6"
	NameServers         Row = "name servers"
	Clock               Row = "clock"
	Lingering           Row = "lingering"
	Manager             Row = "user's systemd"
)

const see = " (see: coracle doctor "

// See is where to read on, to be put after a text. A text has one at most: that of what
// was found first.
func (r Row) See() string {
	if r == "" {
		return ""
	}
	return see + string(r) + ")"
}

// About is [With], of an error that the host causes: the text ends with the row that it
// is about.
func About(r Row, err error, text string) error { return With(err, r.After(text)) }

// After is a text that ends with where to read on; no text stays none.
func (r Row) After(text string) string {
	if text == "" || strings.Contains(text, see) {
		return text
	}
	return text + r.See()
}

// Text is a hint without the row that it is about.
func Text(text string) string {
	text, _, _ = strings.Cut(text, see)
	return text
}
