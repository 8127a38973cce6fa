import unittest

from duration import seconds


class Seconds(unittest.TestCase):
    def test_one_unit(self):
        self.assertEqual(seconds("90s"), 90)
        self.assertEqual(seconds("20m"), 1200)

    def test_units_add_up(self):
        self.assertEqual(seconds("1h30m"), 5400)

    def test_a_number_needs_a_unit(self):
        with self.assertRaisesRegex(ValueError, "needs a number and a unit"):
            seconds("90")

    def test_unknown_units_are_named(self):
        with self.assertRaisesRegex(ValueError, "`d` is no unit"):
            seconds("3d")
