export { MemberList as default } from "@/features/team/members";
