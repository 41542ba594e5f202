export { InvitationList as default } from "@/features/team/invitations";
