"""Errors of rooms and bookings."""

from undercroft.core.errors import Conflict, Forbidden, NotFound, Unprocessable


class RoomNotFound(NotFound):
    code = "ROOM_NOT_FOUND"
    message = "Room not found."


class BookingNotFound(NotFound):
    code = "BOOKING_NOT_FOUND"
    message = "Booking not found."


class RoomTaken(Conflict):
    code = "ROOM_TAKEN"
    message = "The room is already booked at this time. Choose another time or another room."


class RoomInUse(Conflict):
    code = "ROOM_IN_USE"
    message = "The room has upcoming bookings. Cancel them first."


class TeamHasBookings(Conflict):
    code = "TEAM_HAS_BOOKINGS"
    message = "The team has upcoming bookings. Cancel them before you delete the team."


class OutsideOpeningHours(Unprocessable):
    code = "OUTSIDE_OPENING_HOURS"
    message = "The booking is not within the opening hours of one day. Choose another time."


class CompanyAddressRequired(Forbidden):
    code = "COMPANY_ADDRESS_REQUIRED"
    message = "Sign up with the email address of your company."
    field = "email"
