package repair_test

import (
	"fmt"

	"example.com/safeconduct/schema/repair"
)

func ExampleExtract() {
	said := "As [1] shows, the risk is low.\n\n```json\n{\"risk\": \"low\"}\n```\nAnything else?"
	value, err := repair.Extract([]byte(said))
	fmt.Printf("%s %v\n", value, err)

	_, err = repair.Extract([]byte(`It is {"risk": "low"}, or perhaps {"risk": "high"}.`))
	fmt.Println(err)
	// Output:
	// {"risk": "low"} <nil>
	// repair: there are several JSON values in the text
}

func ExampleRepair() {
	value, changes, err := repair.Repair([]byte("Final Answer: {'risk': 'low', reasons: [],}"))
	fmt.Printf("%s %v\n%s\n", value, err, changes)

	_, _, err = repair.Repair([]byte(`{"risk": "low", "amount": 1`))
	fmt.Println(err)
	// Output:
	// {"risk":"low","reasons":[]} <nil>
	// wrote other quotes as ", 2 times from byte 15; quoted a name at byte 30; added or removed a comma at byte 41
	// repair: the JSON in the text is broken: it ends too early
}
