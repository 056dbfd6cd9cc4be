// SPDX-License-Identifier: Apache-2.0

// Package worker carries out what writes the store: in a process of its own,
// inside the user namespace, asked by typed requests. It knows none of them;
// each noun has a table of its operations (an [Op] for each), and the program
// gives all of them to [Main].
//
//	the caller, outside                         the worker, inside
//	  Op.Call ── fork, execve, id maps ────►      Main: joins the namespaces
//	          ── request + descriptors ────►      finds the operation, calls its Do
//	          ◄── event … event ────────────      Job.Event
//	          ── cancel ───────────────────►      the end of Do's context
//	          ◄── answer, error ────────────      the end
//
// One worker does one request. It is the init of a pid namespace and dies with
// the thread that asked: nothing that it has started outlives the caller. It is
// in a session of its own, so that a signal of the keyboard reaches the caller
// only, who ends the work by its context. It writes nothing to the terminal.
//
// # Errors
//
// An error comes back with its text and its hint (package hint). This program's types
// of errors whose exported fields say all that they say, what errors.New has made, the
// end of a context and the numbers of the kernel are found in it by errors.As and
// errors.Is as in the process that made them. Both are the same program: there is no
// list of them.
package worker
