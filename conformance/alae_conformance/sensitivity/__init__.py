"""The smallest relative change of each constant of the specification that the suite notices."""
