// Command sizes measures the Go code of this repository against the house's numbers
// and prints, for every package, what a reader has to hold in mind: lines, function
// lengths, nesting, parameters, comments.
//
// It reads every .go file that git knows or could know, leaves generated ones out,
// prints breaches, and exits with 1 when one of them is of the kind that fails.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	root := flag.String("root", ".", "root folder of the repository")
	table := flag.Bool("table", true, "print the table of packages")
	flag.Parse()

	packages, err := measureTree(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if *table {
		printTable(os.Stdout, packages)
	}
	breaches := judge(packages)
	if failed := printBreaches(os.Stdout, breaches); failed > 0 {
		fmt.Printf("sizes: %d breaches that fail\n", failed)
		os.Exit(1)
	}
}
