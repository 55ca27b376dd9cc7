"""Providers follow billing: what WHMCS says of a service that the portal provisioned is carried out at WHM or Freebit.

A process manager journaled in portal.provided_services: one row per service, one write at a time, resumable after any
crash. `take_up` finds services that are new or changed in billing, `follow` advances those that are due. Both sides are
read live before every write, and services of others are never touched.
"""
